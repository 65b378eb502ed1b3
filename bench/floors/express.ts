import express from 'express';

/** The floor of a daemon is Express as npm installs it, with one port and one route that accepts a form. */
const app = express();
app.post('/{*any}', express.urlencoded({ extended: false }), (_request, response) => void response.send('ok'));
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ event: 'listening', public: server.address() })}\n`);
});
