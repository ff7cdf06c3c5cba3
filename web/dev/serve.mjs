// node dev/serve.mjs [port]: the demo page on the stand-in server.

import { createStandIn } from './stand-in.mjs';

const standIn = createStandIn();
await standIn.listen(Number(process.argv[2] ?? 4600));
console.log(`${standIn.url}/demo/`);
