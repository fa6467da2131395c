/** An application of Express as it is, and the one line that makes a handler of it. */
import express from "express";
import serverless from "serverless-http";

const app = express();
app.use(express.json());

app.get("/spots/:id", (request, response) => {
  response.cookie("seen", request.params.id, { httpOnly: true }).cookie("twice", "yes");
  response.json({ id: request.params.id, near: request.query.near, by: request.get("user-agent") });
});
app.post("/spots", (request, response) => response.status(201).location("/spots/9").json({ got: request.body }));
app.get("/pixel", (_request, response) => response.type("png").send(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0x00])));
app.get("/broken", () => {
  throw new Error("as a route throws");
});
app.use((error, _request, response, _next) => response.status(500).json({ error: error.message }));

export const handler = serverless(app, { binary: ["image/*"] });
