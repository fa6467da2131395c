/** What a hostile page could try against a node on loopback, from a real browser. */
import { existsSync } from "node:fs";
import { ListBucketsCommand, CreateBucketCommand } from "@aws-sdk/client-s3";
import { ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startMikan, type Mikan } from "../src/mikan.ts";
import { clientsOf, type Clients } from "./clients.ts";
import { startUpstream, type Upstream } from "./upstream.ts";

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);
if (executablePath === undefined) console.warn("SKIPPED: attacks from a page need Chromium (apt-get install chromium)");

const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
const rebound = "rebound.example";

describe.skipIf(executablePath === undefined)("a hostile page", () => {
  let mikan: Mikan;
  let clients: Clients;
  let evil: Upstream;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    mikan = await startMikan();
    clients = clientsOf(mikan.url);
    await clients.s3.send(new CreateBucketCommand({ Bucket: "precious" }));
    evil = await startUpstream((_request, response) => {
      response.setHeader("content-type", "text/html").end("<!doctype html><title>evil</title><body></body>");
    });
    browser = await chromium.launch({
      executablePath: executablePath ?? "",
      args: [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        `--host-resolver-rules=MAP ${rebound} 127.0.0.1`,
        ...quiet,
      ],
    });
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser?.close();
    clients?.destroy();
    await mikan?.close();
    await evil?.[Symbol.asyncDispose]();
  });

  /** Every attack ends here: nothing was made and nothing is gone. */
  const unharmed = async () => {
    const { Buckets } = await clients.s3.send(new ListBucketsCommand({}));
    expect(Buckets?.map(({ Name }) => Name)).toEqual(["precious"]);
    const { Functions } = await clients.lambda.send(new ListFunctionsCommand({}));
    expect(Functions).toEqual([]);
  };
  /** The statuses that the node answered to what the page sent it. */
  const statuses = async (attack: () => Promise<unknown>) => {
    const seen: number[] = [];
    const listen = (response: { url(): string; status(): number }) => {
      if (response.url().startsWith(mikan.url)) seen.push(response.status());
    };
    page.on("response", listen);
    await page.goto(evil.origin);
    await attack();
    page.off("response", listen);
    return seen;
  };
  // Scripts are text: the page's own types are no part of this project's.
  const inPage = (script: string) => page.evaluate<string>(script);
  const fetchFromPage = (path: string, init: object) =>
    inPage(`fetch(${JSON.stringify(mikan.url + path)}, ${JSON.stringify(init)})
      .then((response) => (response.type === "opaque" ? "opaque" : response.text()))
      .catch((error) => "refused: " + error)`);

  it("cannot call an API with a plain request", async () => {
    const form = "application/x-www-form-urlencoded";
    const seen = await statuses(async () => {
      const simple = { method: "POST", mode: "no-cors" } as const;
      await fetchFromPage("/", {
        ...simple,
        headers: { "content-type": form },
        body: "Action=DeleteStack&StackName=front",
      });
      await fetchFromPage("/", { ...simple, headers: { "content-type": "text/plain" }, body: '{"Bucket":"mine"}' });
      await fetchFromPage("/mine", { method: "GET", mode: "no-cors" });
    });
    expect(seen).toEqual([403, 403, 403]);
    await unharmed();
  });

  it("cannot send an Authorization header, since its preflight is refused", async () => {
    await page.goto(evil.origin);
    const headers = {
      authorization:
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
    };
    expect(await fetchFromPage("/mine", { method: "PUT", headers })).toMatch(/^refused/);
    expect(await fetchFromPage("/precious", { method: "DELETE", headers })).toMatch(/^refused/);
    await unharmed();
  });

  it("cannot act by a form or by an image with a presigned query", async () => {
    const template = '{"Resources":{"B":{"Type":"AWS::S3::Bucket","Properties":{"BucketName":"made-by-an-image"}}}}';
    const attack = new URLSearchParams({
      Action: "CreateStack",
      Version: "2010-05-15",
      StackName: "evil",
      TemplateBody: template,
      "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
      "X-Amz-Credential": "test/20260101/us-east-1/cloudformation/aws4_request",
      "X-Amz-Signature": "0",
    });
    const seen = await statuses(async () => {
      await inPage(`new Promise((resolve) => {
        const image = new Image();
        image.addEventListener("error", () => resolve("broken"));
        image.src = "${mikan.url}/?${attack.toString()}";
      })`);
      const form = `<form method="post" action="${mikan.url}/"><input name="Action" value="CreateBucket"></form>`;
      const submitted = page.waitForURL(`${mikan.url}/**`);
      await inPage(
        `document.body.innerHTML = ${JSON.stringify(form)}; setTimeout(() => document.forms[0].submit()); ""`,
      );
      await submitted;
    });
    // What the image got is hidden from the page, so only the form's answer is seen here.
    expect(seen).toContain(403);
    await unharmed();
  });

  it("cannot reset the node", async () => {
    const seen = await statuses(() => fetchFromPage("/_mikan/reset", { method: "POST", mode: "no-cors" }));
    expect(seen).toEqual([403]);
    await page.goto(evil.origin);
    expect(await fetchFromPage("/_mikan/reset", { method: "POST", headers: { "x-mikan-intent": "reset" } })).toMatch(
      /^refused/,
    );
    await unharmed();
  });

  it("cannot read anything by rebinding its own name to this machine", async () => {
    const response = await page.goto(`http://${rebound}:${mikan.port}/_mikan/status`);
    expect(response?.status()).toBe(403);
    expect(await page.content()).not.toMatch(/services/);
    await unharmed();
  });
});
