// http-proxy as the edge's peer: connections to the upstream kept, the same fields added. serve.js PORT UPSTREAM_PORT
import { Agent, createServer } from "node:http";
import httpProxy from "http-proxy";

const [port, upstream] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxFreeSockets: 128 });
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${upstream}`, agent, xfwd: true });
createServer((request, response) => proxy.web(request, response)).listen(port, "127.0.0.1");
