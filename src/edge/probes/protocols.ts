/**
 * Checks over the network, a function for each protocol: a new connection each time, as ALB's. A check asks in the
 * protocol that the endpoint's requests will have.
 */
import { connect as connectHttp2, constants, type ClientHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { asError, errorCode } from "../../base/errors.ts";
import { HeadScanner, needMore } from "../h1/scan.ts";
import { dial } from "../tls/dial.ts";
import { responseScan } from "../upstream.ts";
import { judgeStatus, type DialTarget, type ProbeProtocol, type ProbeResult, type ProbeRun } from "./probe.ts";

/** The protocol by which `target` is checked. */
export function protocolOf({ check, protocol }: DialTarget): ProbeProtocol {
  if (check.protocol === "tcp") return tcp;
  if (check.protocol === "grpc") return grpc;
  return protocol === "http1" ? http1 : http2;
}

/** A connection that stands is enough. */
const tcp: ProbeProtocol = (target, run) => {
  dialled(target, run, () => run.end({ ok: true }));
};

const acceptEncoding = "gzip, compressed";

const http1: ProbeProtocol = (target, run) => {
  const { check, authority } = target;
  const scanner = new HeadScanner(responseScan);
  scanner.reset("response", responseScan);
  const socket = dialled(target, run, () => {
    socket.write(
      `GET ${check.path} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n` +
        `User-Agent: ${check.userAgent}\r\nAccept-Encoding: ${acceptEncoding}\r\n\r\n`,
    );
  });
  socket.on("data", (chunk: Buffer) => {
    const after = scanner.push(chunk, 0, chunk.length);
    if (after === needMore) return;
    run.end(after < 0 ? { ok: false, reason: "malformed-response" } : judgeStatus(check, scanner.status));
  });
};

const http2: ProbeProtocol = (target, run) => {
  const { check, authority } = target;
  inSession(target, run, (session) => {
    const stream = session.request({
      ":method": "GET",
      ":path": check.path,
      ":authority": authority,
      "user-agent": check.userAgent,
      "accept-encoding": acceptEncoding,
    });
    stream.on("error", (error) => run.end(failed(error)));
    stream.on("response", (headers) => run.end(judgeStatus(check, headers[":status"] ?? 0)));
  });
};

/** The message of a call that says nothing: not compressed, no bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). */
const emptyMessage = Buffer.alloc(5);

const grpc: ProbeProtocol = (target, run) => {
  const { check, authority } = target;
  inSession(target, run, (session) => {
    const stream = session.request({
      ":method": "POST",
      ":path": check.path,
      ":authority": authority,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": check.userAgent,
    });
    const judge = (status: unknown) => {
      if (typeof status === "string" && /^\d{1,2}$/.test(status)) run.end(judgeStatus(check, Number(status)));
    };
    stream.on("error", (error) => run.end(failed(error)));
    stream.on("response", (headers) => {
      // An answer without messages has its status here ("Trailers-Only").
      judge(headers["grpc-status"]);
      const status = headers[":status"] ?? 0;
      if (status !== constants.HTTP_STATUS_OK) run.end({ ok: false, reason: "status-mismatch", status });
    });
    stream.on("trailers", (headers) => judge(headers["grpc-status"]));
    stream.on("close", () => run.end({ ok: false, reason: "malformed-response" }));
    stream.resume();
    stream.end(emptyMessage);
  });
};

/** A socket of the check's own; `stands` runs when bytes may go out. */
function dialled({ host, port, tls }: DialTarget, run: ProbeRun, stands: () => void): Socket {
  const socket = dial({ host, port, tls });
  let shakingHands = false;
  const fail = (result: ProbeResult) => run.end(shakingHands ? { ok: false, reason: "handshake-failed" } : result);
  run.cleanup(() => socket.destroy());
  if (tls !== undefined) {
    socket.on("connect", () => {
      shakingHands = true;
    });
  }
  socket.on(tls === undefined ? "connect" : "secureConnect", () => {
    shakingHands = false;
    stands();
  });
  socket.on("error", (error) => fail(failed(error)));
  socket.on("close", () => fail({ ok: false, reason: "connection-failed" }));
  return socket;
}

/** An HTTP/2 session on a connection of the check's own. */
function inSession(target: DialTarget, run: ProbeRun, begin: (session: ClientHttp2Session) => void): void {
  const socket = dialled(target, run, () => {
    const session = connectHttp2(`${target.tls === undefined ? "http" : "https"}://${target.authority}`, {
      createConnection: () => socket,
    });
    run.cleanup(() => session.destroy());
    session.on("error", (error) => run.end(failed(error)));
    try {
      begin(session);
    } catch (error) {
      // A path or a user agent that no field can carry.
      run.end(failed(asError(error)));
    }
  });
}

function failed(error: Error): ProbeResult {
  const code = errorCode(error) ?? "";
  if (code === "ECONNREFUSED") return { ok: false, reason: "connection-refused" };
  return { ok: false, reason: code.startsWith("ERR_HTTP2") ? "malformed-response" : "connection-failed" };
}
