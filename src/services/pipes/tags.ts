/** Tags of pipes. */
import type { Handlers } from "../../kit/handlers.ts";
import { sql } from "../../store/sql.ts";
import { assign } from "../../store/tables.ts";
import type { PipesDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { pipeOfArn } from "./names.ts";
import { findPipe, isPipe, pipes } from "./tables.ts";

type Tags = Record<string, string>;

export function tagOperations({ store }: PipesDeps) {
  const noResource = (arn: string) => fault("NotFoundException", `There is no resource ${arn}.`);
  const change = async (arn: string, make: (tags: Tags) => Tags) => {
    const ref = pipeOfArn(arn);
    await store.tx(async (tx) => {
      const row = await findPipe(tx, ref);
      if (row === undefined) throw noResource(arn);
      await tx.run(sql`update ${pipes.name} set ${assign(pipes, { tags: make(row.tags) })} where ${isPipe(ref)}`);
    });
    return {};
  };
  return {
    TagResource: async ({ resourceArn, tags: given }) => change(resourceArn, (tags) => ({ ...tags, ...given })),
    UntagResource: async ({ resourceArn, tagKeys }) =>
      change(resourceArn, (tags) => Object.fromEntries(Object.entries(tags).filter(([key]) => !tagKeys.includes(key)))),
    async ListTagsForResource({ resourceArn }) {
      const row = await store.read((tx) => findPipe(tx, pipeOfArn(resourceArn)));
      if (row === undefined) throw noResource(resourceArn);
      return { tags: row.tags };
    },
  } satisfies Handlers<typeof import("@aws-sdk/client-pipes")>;
}
