import type { RequestHandler } from 'express';

/** For what can only be looked at. */
export const refuseMethod: RequestHandler = (_request, response) => {
  response.status(405).set({ allow: 'GET, HEAD', connection: 'close' }).end();
};
