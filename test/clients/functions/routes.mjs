/** Powertools' router for HTTP, with a body that zod describes. */
import { Router } from "@aws-lambda-powertools/event-handler/http";
import { z } from "zod";

const Spot = z.object({ name: z.string(), near: z.number().int() });
const app = new Router();

app.get("/spots/:id", async ({ params }) => ({ id: params.id }));
app.post("/spots", async ({ req }) => {
  const parsed = Spot.safeParse(await req.json());
  return parsed.success
    ? new Response(JSON.stringify(parsed.data), { status: 201, headers: { "content-type": "application/json" } })
    : new Response(JSON.stringify({ wrong: parsed.error.issues[0].path }), { status: 422 });
});

export const handler = async (event, context) => app.resolve(event, context);
