import { describe, expectTypeOf, it } from "vitest";
import type { Body } from "../base/http.ts";
import type { ExceptionName, Handlers, InputOf, OutputOf, Received } from "./handlers.ts";

type Lambda = typeof import("@aws-sdk/client-lambda");
type S3 = typeof import("@aws-sdk/client-s3");

describe("handler types", () => {
  it("make required members present and decode blobs", () => {
    type Invoke = Received<InputOf<Lambda, "Invoke">>;
    expectTypeOf<Invoke["FunctionName"]>().toEqualTypeOf<string>();
    expectTypeOf<Invoke["Payload"]>().toEqualTypeOf<Uint8Array | undefined>();
    type Create = Received<InputOf<Lambda, "CreateFunction">>;
    expectTypeOf<NonNullable<Create["Code"]>["ZipFile"]>().toEqualTypeOf<Uint8Array | undefined>();
    expectTypeOf<Received<InputOf<S3, "PutObject">>["Bucket"]>().toEqualTypeOf<string>();
    expectTypeOf<Received<InputOf<S3, "PutObject">>["Body"]>().toEqualTypeOf<Body>();
    expectTypeOf<Received<InputOf<S3, "ListBuckets">>["MaxBuckets"]>().toEqualTypeOf<number | undefined>();
  });

  it("take the answer's metadata away, and streams as bodies", () => {
    expectTypeOf<OutputOf<Lambda, "Invoke">["Payload"]>().toEqualTypeOf<Uint8Array | undefined>();
    expectTypeOf<OutputOf<S3, "GetObject">["Body"]>().toEqualTypeOf<Body>();
    expectTypeOf<"$metadata" extends keyof OutputOf<Lambda, "Invoke"> ? true : false>().toEqualTypeOf<false>();
  });

  it("know the exceptions by name", () => {
    expectTypeOf<"ResourceNotFoundException">().toMatchTypeOf<ExceptionName<Lambda>>();
    expectTypeOf<"Nonsense" extends ExceptionName<Lambda> ? true : false>().toEqualTypeOf<false>();
    expectTypeOf<keyof Handlers<Lambda>>().not.toBeNever();
  });
});
