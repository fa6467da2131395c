/** Functions that are wrong, through the official client: each with the error that AWS gives to who invokes it. */
import { CreateFunctionCommand, InvokeCommand } from "@aws-sdk/client-lambda";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { createFunction } from "./front-door.ts";

let mikan: Mikan;
let clients: Clients;
beforeAll(async () => {
  mikan = await startMikan();
  clients = clientsOf(mikan.url);
});
afterAll(async () => {
  clients.destroy();
  await mikan.close(0);
});

describe("a function that does not run says why to who invokes it", () => {
  const cases: [what: string, name: string, source: string, answer: object, handler?: string][] = [
    [
      "a syntax error",
      "syntax",
      "export const handler = async () => {",
      { errorType: "Runtime.UserCodeSyntaxError", errorMessage: expect.stringMatching(/^SyntaxError: /) },
    ],
    [
      "a module that is not there",
      "module",
      `import "nowhere"; export const handler = async () => 1;`,
      {
        errorType: "Error",
        errorMessage: expect.stringMatching(/^Cannot find package 'nowhere' imported from .*index\.mjs$/),
      },
    ],
    [
      "an error while it loads",
      "init",
      `throw new RangeError("too early");`,
      { errorType: "RangeError", errorMessage: "too early" },
    ],
    [
      "no such handler",
      "handler",
      "export const handler = async () => 1;",
      { errorType: "Runtime.HandlerNotFound", errorMessage: "index.other is undefined or not exported" },
      "index.other",
    ],
    [
      "no such file",
      "file",
      "export const handler = async () => 1;",
      {
        errorType: "Runtime.ImportModuleError",
        errorMessage: expect.stringMatching(/^Error: Cannot find module 'other'\nRequire stack:\n- /),
      },
      "other.handler",
    ],
    [
      "a malformed handler",
      "dotless",
      "export const handler = async () => 1;",
      { errorType: "Runtime.MalformedHandlerName", errorMessage: "Bad handler" },
      "index",
    ],
    [
      "an end of its process",
      "exit",
      "export const handler = async () => process.exit(3);",
      {
        errorType: "Runtime.ExitError",
        errorMessage: expect.stringMatching(
          /^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 3$/,
        ),
      },
    ],
    [
      "an error that it throws",
      "throws",
      `export const handler = async () => { throw new TypeError("no tile"); };`,
      { errorType: "TypeError", errorMessage: "no tile", trace: expect.arrayContaining(["TypeError: no tile"]) },
    ],
  ];
  it.each(cases)("%s", async (_, name, source, answer, handler = "index.handler") => {
    await createFunction(clients, name, source, { handler });
    for (const _again of [1, 2]) {
      const { StatusCode, FunctionError, Payload, LogResult } = await clients.lambda.send(
        new InvokeCommand({ FunctionName: name, LogType: "Tail" }),
      );
      expect([StatusCode, FunctionError]).toEqual([200, "Unhandled"]);
      expect(JSON.parse(Buffer.from(Payload ?? []).toString())).toMatchObject(answer);
      expect(Buffer.from(LogResult ?? "", "base64").toString()).toMatch(/START RequestId: [\s\S]*REPORT RequestId: /);
    }
  });
  it("and a zip or a payload that cannot be read is refused before", async () => {
    const function_ = {
      FunctionName: "unread",
      Runtime: "nodejs24.x" as const,
      Handler: "index.handler",
      Role: "arn:aws:iam::000000000000:role/x",
    };
    await expect(
      clients.lambda.send(new CreateFunctionCommand({ ...function_, Code: { ZipFile: Buffer.from("no zip") } })),
    ).rejects.toMatchObject({
      name: "InvalidParameterValueException",
      message: "Could not unzip uploaded file. Please check your file, then try to upload again.",
    });
    await expect(clients.lambda.send(new InvokeCommand({ FunctionName: "unread" }))).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: "Function not found: arn:aws:lambda:us-east-1:000000000000:function:unread",
    });
    await expect(
      clients.lambda.send(new InvokeCommand({ FunctionName: "throws", Payload: Buffer.from("{") })),
    ).rejects.toMatchObject({
      name: "InvalidRequestContentException",
    });
    await expect(
      clients.lambda.send(new InvokeCommand({ FunctionName: "throws", Payload: Buffer.alloc(6 * 2 ** 20 + 1, " ") })),
    ).rejects.toMatchObject({
      name: "RequestTooLargeException",
      $metadata: { httpStatusCode: 413 },
    });
  });
});
