/** AWS::Events::Archive. */
import type { Call } from "../../kit/call.ts";
import { asProperties, type JsonObject, type Resource } from "../../kit/resource.ts";
import { archiveArn, archiveCreation, changeArchive, findArchive, removeArchive } from "./archives.ts";
import type { EventsDeps } from "./deps.ts";
import { fault } from "./faults.ts";
import { busArn } from "./names.ts";
import { checkPattern } from "./patterns.ts";
import type { ArchiveRow } from "./tables.ts";
import { documentText, readInput } from "./template-input.ts";

const nameLengthMax = 48;

const stateOf = (row: ArchiveRow) => ({
  physicalId: row.name,
  attributes: { Arn: archiveArn(row), ArchiveName: row.name },
});

function wantedOf({ SourceArn, EventPattern, ...rest }: JsonObject, name: string) {
  const pattern = documentText(EventPattern);
  const input = readInput("CreateArchive", {
    ...rest,
    ArchiveName: name,
    EventSourceArn: SourceArn,
    EventPattern: pattern,
  });
  if (pattern !== undefined) checkPattern(pattern);
  return {
    name,
    sourceArn: input.EventSourceArn,
    pattern,
    description: input.Description,
    retentionDays: input.RetentionDays,
    kmsKey: input.KmsKeyIdentifier,
  };
}

export function archiveResource(deps: EventsDeps): Resource {
  const { store } = deps;
  const create = archiveCreation(deps);
  const refIn = (name: string, { account, region }: Call) => ({ account, region, name });
  return {
    type: "AWS::Events::Archive",
    properties: ["ArchiveName", "Description", "EventPattern", "KmsKeyIdentifier", "RetentionDays", "SourceArn"],
    required: ["SourceArn"],
    attributes: ["ArchiveName", "Arn"],
    name: { property: "ArchiveName", lengthMax: nameLengthMax },
    replaceOn: ["SourceArn"],
    create: async ({ properties, physicalName, token }, call) =>
      stateOf(await create({ ...wantedOf(properties, physicalName), token }, call)),
    async update({ physicalId, properties }, call) {
      const wanted = wantedOf(properties, physicalId);
      return store.tx(async (tx) => {
        const row = await findArchive(tx, refIn(physicalId, call));
        if (row === undefined) throw fault("ResourceNotFoundException", `Archive ${physicalId} does not exist.`);
        // What the template does not name any more is no more.
        const bare = { ...row, pattern: null, retention_days: 0, description: null, kms_key: null };
        return stateOf(await changeArchive(tx, bare, wanted));
      });
    },
    async read({ physicalId }, call) {
      const row = await store.read((tx) => findArchive(tx, refIn(physicalId, call)));
      if (row === undefined) return undefined;
      return asProperties({
        ArchiveName: row.name,
        SourceArn: busArn(row),
        Description: row.description ?? undefined,
        EventPattern: row.pattern === null ? undefined : (JSON.parse(row.pattern) as unknown),
        KmsKeyIdentifier: row.kms_key ?? undefined,
        RetentionDays: row.retention_days,
      });
    },
    comparison: { EventPattern: "exact" },
    async delete({ physicalId }, call) {
      await store.tx(async (tx) => {
        const row = await findArchive(tx, refIn(physicalId, call));
        if (row !== undefined) await removeArchive(tx, row);
      });
    },
  };
}
