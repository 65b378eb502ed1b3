import express from 'express';

/** The floor of a daemon: Express as npm installs it, one port, one route that takes a form. */
const app = express();
app.post('/{*any}', express.urlencoded({ extended: false }), (_request, response) => void response.send('ok'));
const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ event: 'listening', public: server.address() })}\n`);
});
