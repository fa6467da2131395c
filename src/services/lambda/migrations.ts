/** The steps of Lambda's tables; a step that has shipped is never edited. */
import type { Migration } from "../../store/tables.ts";
import { aliasWeights } from "./alias-weights.ts";
import { eventConfigs } from "./event-config-tables.ts";
import { layerTables } from "./layer-tables.ts";
import { optionTables } from "./option-tables.ts";
import { provisionedConfigs } from "./provisioned-tables.ts";
import { eventSources, sourceShards } from "./sources/tables.ts";
import { accounts, aliases, counters, functions, policies, versions } from "./tables.ts";
import { streamedUrls, urls } from "./url-tables.ts";

export const migrations: readonly Migration[] = [
  { version: 1, create: [functions, versions, counters, aliases, policies, accounts] },
  { version: 2, create: [...layerTables, urls] },
  { version: 3, create: [eventConfigs] },
  { version: 4, create: [aliasWeights] },
  { version: 5, create: [provisionedConfigs] },
  { version: 6, create: [streamedUrls] },
  { version: 7, create: [eventSources, sourceShards] },
  { version: 8, create: optionTables },
];
