import { describe, expect, it } from "vitest";
import { verdictOf } from "../desync/verdict.ts";
import { accessLine, connectionText, unreadable, type AccessFacts, type ConnectionFacts } from "./line.ts";

const secured: ConnectionFacts = {
  loadBalancer: "app/my-loadbalancer/50dc6c495c0c9188",
  client: "192.168.131.39:2817",
  cipher: "ECDHE-RSA-AES128-GCM-SHA256",
  tlsProtocol: "TLSv1.2",
  domain: "www.example.com",
  certificate: "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012",
  trace: "TID_1234abcd5678ef90",
};

const forwarded: AccessFacts = {
  type: "https",
  endedAt: Date.UTC(2026, 6, 2, 22, 23, 0, 186),
  connection: connectionText(secured),
  target: "10.0.0.1:80",
  requestMs: 86,
  targetMs: 48.4,
  responseMs: 0,
  status: 200,
  targetStatus: 200,
  receivedBytes: 0,
  sentBytes: 57,
  request: "GET https://www.example.com:443/ HTTP/1.1",
  userAgent: "curl/7.46.0",
  targetGroup: "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067",
  trace: "Root=1-58337281-1d84f3d73c47ec4e58577259",
  priority: 1,
  createdAt: Date.UTC(2026, 6, 2, 22, 22, 48, 364),
  actions: "forward",
  redirectUrl: "",
  reason: "",
  verdict: undefined,
  transform: undefined,
};

describe("a line of the access log", () => {
  it("has AWS's fields in AWS's order", () => {
    expect(accessLine(forwarded)).toBe(
      "https 2026-07-02T22:23:00.186000Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 " +
        '0.086 0.048 0.000 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" ' +
        "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 " +
        "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 " +
        '"Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" ' +
        '"arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" ' +
        '1 2026-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90 ' +
        '"-" "-" "-" "-"\n',
    );
  });

  it("writes a dash for what is not there, and -1 for times that did not pass", () => {
    const line = accessLine({
      ...forwarded,
      type: "http",
      target: "",
      requestMs: -1,
      targetMs: -1,
      responseMs: -1,
      status: 400,
      targetStatus: 0,
      request: unreadable("http", "10.0.0.9", 80),
      userAgent: "",
      connection: connectionText({ ...secured, cipher: "", tlsProtocol: "", domain: "", certificate: "" }),
      targetGroup: "",
      trace: "",
      priority: undefined,
      actions: "",
      reason: "desync",
      verdict: verdictOf("BadHeader"),
    });
    expect(line).toBe(
      "http 2026-07-02T22:23:00.186000Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - " +
        '-1 -1 -1 400 - 0 57 "- http://10.0.0.9:80- -" "-" - - - "-" "-" "-" - 2026-07-02T22:22:48.364000Z ' +
        '"-" "-" "-" "-" "-" "Severe" "BadHeader" TID_1234abcd5678ef90 "-" "-" "-" "desync"\n',
    );
  });

  it("says what was rewritten", () => {
    const line = accessLine({ ...forwarded, transform: { status: "TransformSuccess", host: "", uri: '/new"' } });
    expect(line.endsWith(String.raw` "-" "/new\x22" "TransformSuccess" "-"` + "\n")).toBe(true);
  });

  it("has AWS's reason codes in AWS's place, and every reason at its end", () => {
    const fields = accessLine({ ...forwarded, reason: "LambdaThrottling" })
      .trimEnd()
      .split(" ");
    expect([fields[26], fields.at(-1)]).toEqual(['"LambdaThrottling"', '"LambdaThrottling"']);
  });

  it("lets nothing that a client sent end a field or a line", () => {
    const line = accessLine({ ...forwarded, userAgent: 'a" "b\\\n\u00ff', request: 'GET http://a/" HTTP/1.1' });
    expect(line).toContain(String.raw` "GET http://a/\x22 HTTP/1.1" "a\x22 \x22b\x5c\x0a\xff" `);
    expect(line.split("\n")).toHaveLength(2);
  });
});
