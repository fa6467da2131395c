/** Answers that the edge makes itself: errors, redirects, fixed responses, in the form that ALB gives them. */
import type { Reply } from "./exchange.ts";
import { reasonOf } from "./h1/status.ts";
import type { RouteAction } from "./ports.ts";
import { hostnameOf, type Subject } from "./match.ts";

/** A complete answer but for `Server`, `Date` and `Connection`. */
export interface OwnAnswer {
  status: number;
  contentType: string;
  /** As bytes: a character each. */
  body: string;
  /** Further lines, each with its end. */
  lines: string;
}

/** What the edge's own answers of one listener share. */
export interface Answerer {
  reply(answer: OwnAnswer, method: string): Reply;
  /** The answer's text for a connection that ends with it. */
  last(answer: OwnAnswer): string;
}

const errorPages = new Map<number, OwnAnswer>();

/** The page for an error or a redirect of `status`. */
export function pageOf(status: number): OwnAnswer {
  let page = errorPages.get(status);
  if (page === undefined) {
    const title = `${status} ${reasonOf(status)}`.trimEnd();
    const body =
      `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n` +
      `<center><h1>${title}</h1></center>\r\n</body>\r\n</html>\r\n`;
    page = { status, contentType: "text/html", body, lines: "" };
    errorPages.set(status, page);
  }
  return page;
}

/** `serverName` is undefined where it is hidden; `set` are lines of every answer, each with its end. */
export function createAnswerer(serverName: string | undefined, dateText: () => string, set = ""): Answerer {
  const always = `${serverName === undefined ? "" : `Server: ${serverName}\r\n`}${set}`;
  const linesOf = ({ contentType, body, lines }: OwnAnswer) => {
    const type = contentType === "" ? "" : `Content-Type: ${contentType}\r\n`;
    return `${always}Date: ${dateText()}\r\n${type}Content-Length: ${body.length}\r\n${lines}`;
  };
  return {
    reply: (answer, method) => ({
      status: answer.status,
      lines: linesOf(answer),
      body: method === "HEAD" ? "" : answer.body,
    }),
    last: (answer) =>
      `HTTP/1.1 ${answer.status} ${reasonOf(answer.status)}\r\n${linesOf(answer)}Connection: close\r\n\r\n${answer.body}`,
  };
}

/** Of `Location` (ALB user guide, "CloudWatch metrics", `HTTP_Redirect_Url_Limit_Exceeded_Count`: 8 K). */
const redirectBytesMax = 8 * 1024;

/** Gives the answer of a redirect or a fixed response; nothing where the redirect's URL would be too long. */
export function compileAnswer(
  action: Exclude<RouteAction, { kind: "forward" }>,
  scheme: "http" | "https",
  listenerPort: number,
): (subject: Subject) => OwnAnswer | undefined {
  if (action.kind === "fixed") {
    const body = Buffer.from(action.body).toString("latin1");
    const fixed: OwnAnswer = { status: action.status, contentType: action.contentType, body, lines: "" };
    return () => fixed;
  }
  const page = pageOf(action.status);
  const fill = (template: string, { path, query, hostname }: Subject) =>
    template.replace(/#\{(protocol|host|port|path|query)\}/g, (_, name) => {
      if (name === "protocol") return scheme;
      if (name === "host") return hostname;
      if (name === "port") return String(listenerPort);
      return name === "path" ? path.replace(/^\//, "") : query;
    });
  return (subject) => {
    const part = (template: string) => fill(template, subject);
    const query = part(action.query);
    const path = part(action.path);
    const place =
      `${part(action.protocol).toLowerCase()}://${hostnameOf(part(action.host))}:${part(action.port)}` +
      `${path.startsWith("/") ? path : `/${path}`}${query === "" ? "" : `?${query}`}`;
    return place.length > redirectBytesMax ? undefined : { ...page, lines: `Location: ${place}\r\n` };
  };
}
