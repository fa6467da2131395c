/** What the families of operations are handed: the house's dependencies and what the service keeps in memory. */
import type { Recall } from "../../kit/recall.ts";
import type { Deps } from "../../kit/service.ts";
import type { Downloads } from "./downloads.ts";
import type { Executions } from "./executions.ts";
import type { Images } from "./images.ts";
import type { LayerRoots } from "./layer-roots.ts";
import type { Provisioner } from "./provisioner.ts";
import type { Retired } from "./retired.ts";
import type { Slots } from "./slots.ts";
import type { UnpackedCode } from "./unpacked.ts";

export interface LambdaDeps extends Deps {
  /** What invocations read again and again. */
  recall: Pick<Recall, "of">;
  unpacked: UnpackedCode;
  executions: Executions;
  slots: Slots;
  retired: Retired;
  layerRoots: LayerRoots;
  images: Images;
  downloads: Downloads;
  provisioner: Provisioner;
  /** Executions at once of an account in a region. */
  accountConcurrency: number;
}
