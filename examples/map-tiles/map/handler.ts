/** The peeled app: the tile route as a Lambda function behind an Application Load Balancer. */
import { answerTile, type TileAnswer } from "../tiles/answer.ts";
import type { CutTile } from "../tiles/cutter.ts";

/** What the load balancer sends. Source: Elastic Load Balancing, "Use Lambda functions as targets". */
export interface AlbEvent {
  httpMethod: string;
  path: string;
  /** Not decoded; the last value of each name. */
  queryStringParameters?: Readonly<Record<string, string>>;
  /** Names in lower case; the last value of each. */
  headers?: Readonly<Record<string, string>>;
  body?: string;
  isBase64Encoded?: boolean;
}

/** What it takes as the answer. */
export interface AlbResult {
  statusCode: number;
  /** `200 OK` */
  statusDescription: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  isBase64Encoded: boolean;
}

export interface HandlerDeps {
  tiles: CutTile;
  /** Whether `?slow=ms` is obeyed; for showing what a concurrency cap does. Never on by itself. */
  allowSlow: boolean;
  sleep: (delayMs: number) => Promise<unknown>;
}

export const slowMsMax = 5000;

const reasons: Record<TileAnswer["status"], string> = {
  200: "OK",
  204: "No Content",
  304: "Not Modified",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
};

export function createHandler(deps: HandlerDeps): (event: AlbEvent) => Promise<AlbResult> {
  return async (event) => {
    const slow = event.queryStringParameters?.["slow"];
    if (deps.allowSlow && slow !== undefined) {
      const delayMs = slowMs(slow);
      if (delayMs === undefined) return badSlow();
      await deps.sleep(delayMs);
    }
    const request = { method: event.httpMethod, path: event.path, ifNoneMatch: event.headers?.["if-none-match"] };
    return albResult(answerTile(request, deps.tiles));
  };
}

/** 0 to {@link slowMsMax}, or undefined for anything else. */
function slowMs(text: string): number | undefined {
  const delayMs = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  return delayMs <= slowMsMax ? delayMs : undefined;
}

function badSlow(): AlbResult {
  const message = `slow must be a whole number of milliseconds, 0 to ${slowMsMax}.`;
  return albResult({
    status: 400,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store" },
    body: Buffer.from(JSON.stringify({ error: "BadParameter", message })),
  });
}

function albResult({ status, headers, body }: TileAnswer): AlbResult {
  const hasBody = body.byteLength > 0;
  return {
    statusCode: status,
    statusDescription: `${status} ${reasons[status]}`,
    headers: { ...headers, "X-Served-By": "function" },
    body: hasBody ? Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("base64") : "",
    isBase64Encoded: hasBody,
  };
}
