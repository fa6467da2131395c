/** What to do next with a stack: pure rules over the states of its resources. No clock, no store. */

export type ResourceStatus =
  | "CREATE_IN_PROGRESS"
  | "CREATE_COMPLETE"
  | "CREATE_FAILED"
  | "DELETE_IN_PROGRESS"
  | "DELETE_COMPLETE"
  | "DELETE_FAILED"
  | "DELETE_SKIPPED";

export type StackStatus =
  | "CREATE_IN_PROGRESS"
  | "CREATE_COMPLETE"
  | "CREATE_FAILED"
  | "ROLLBACK_IN_PROGRESS"
  | "ROLLBACK_COMPLETE"
  | "ROLLBACK_FAILED"
  | "DELETE_IN_PROGRESS"
  | "DELETE_COMPLETE"
  | "DELETE_FAILED";

/** `create` makes what is missing; `remove` takes away what is there, on a rollback or a deletion. */
export type Phase = "create" | "remove";

export interface PlannedResource {
  logicalId: string;
  /** Null before work on it began. */
  status: ResourceStatus | null;
  /** Logical ids that must exist before it does. */
  needs: readonly string[];
  /** Whether the running operation, not an earlier one, set its status. */
  current: boolean;
  /** Whether there is something to delete. */
  made: boolean;
  /** Whether the deletion leaves it as it is. */
  retained: boolean;
  /** Whether this node has a call for it under way. */
  running: boolean;
}

export interface Plan {
  phase: Phase;
  /** Creation has failed for another reason than a resource's. */
  failing: boolean;
  resources: readonly PlannedResource[];
  /** How many calls may run at once. */
  slots: number;
}

export interface Next {
  /** Calls that a dead node had begun: issue them again, under their tokens. */
  resumeCreate: readonly string[];
  resumeDelete: readonly string[];
  create: readonly string[];
  delete: readonly string[];
  /** Failed before anything was made: deleted without a call. */
  forget: readonly string[];
  skip: readonly string[];
  /** Nothing runs and nothing is left to do in this phase. */
  finished: boolean;
}

/** Decides. Asking twice without a change gives the same. */
export function nextOf(plan: Plan): Next {
  const { resources, slots } = plan;
  const idle = resources.filter(({ running }) => !running);
  const resumeCreate = idsOf(idle, (resource) => resource.status === "CREATE_IN_PROGRESS");
  const resumeDelete = idsOf(idle, (resource) => resource.status === "DELETE_IN_PROGRESS");
  const busy = resources.length - idle.length + resumeCreate.length + resumeDelete.length;
  const free = Math.max(0, slots - busy);
  const work = plan.phase === "create" ? creations(plan, free) : removals(plan, free);
  const begun = work.create.length + work.delete.length + work.forget.length + work.skip.length;
  return { resumeCreate, resumeDelete, ...work, finished: busy === 0 && begun === 0 };
}

function idsOf(
  resources: readonly PlannedResource[],
  which: (resource: PlannedResource) => boolean,
): readonly string[] {
  return resources.filter(which).map(({ logicalId }) => logicalId);
}

type Work = Pick<Next, "create" | "delete" | "forget" | "skip">;
const noWork: Work = { create: [], delete: [], forget: [], skip: [] };

function creations({ resources, failing }: Plan, free: number): Work {
  // After the first failure nothing new begins; what runs is waited for, so that its outcome is known.
  if (failing || resources.some(({ status }) => status === "CREATE_FAILED")) return noWork;
  const complete = new Set(idsOf(resources, ({ status }) => status === "CREATE_COMPLETE"));
  const ready = idsOf(resources, ({ status, needs }) => status === null && needs.every((need) => complete.has(need)));
  return { ...noWork, create: ready.slice(0, free) };
}

function removals({ resources }: Plan, free: number): Work {
  const present = resources.filter((resource) => isPresent(resource));
  const needed = new Set(present.flatMap(({ needs }) => needs));
  const ready = present.filter((resource) => isRemovable(resource) && !needed.has(resource.logicalId));
  return {
    create: [],
    skip: idsOf(ready, ({ made, retained }) => made && retained),
    forget: idsOf(ready, ({ made }) => !made),
    delete: idsOf(ready, ({ made, retained }) => made && !retained).slice(0, free),
  };
}

function isPresent({ status }: PlannedResource): boolean {
  return status !== null && status !== "DELETE_COMPLETE" && status !== "DELETE_SKIPPED";
}

function isRemovable({ status, current, running }: PlannedResource): boolean {
  if (running) return false;
  if (status === "CREATE_COMPLETE" || status === "CREATE_FAILED") return true;
  return status === "DELETE_FAILED" && !current;
}

/** Ids in an order in which each comes after what it needs, or the ids that a circle keeps from it. */
export function orderOf(
  needs: ReadonlyMap<string, readonly string[]>,
): { order: readonly string[] } | { circle: readonly string[] } {
  const left = new Map([...needs].map(([id, of]) => [id, new Set(of)]));
  const dependents = new Map<string, string[]>();
  for (const [id, of] of left) for (const need of of) dependents.set(need, [...(dependents.get(need) ?? []), id]);
  const order: string[] = [];
  const ready = [...left].filter(([, of]) => of.size === 0).map(([id]) => id);
  for (let id = ready.shift(); id !== undefined; id = ready.shift()) {
    order.push(id);
    left.delete(id);
    for (const dependent of dependents.get(id) ?? []) {
      const waiting = left.get(dependent);
      if (waiting?.delete(id) && waiting.size === 0) ready.push(dependent);
    }
  }
  return left.size === 0 ? { order } : { circle: circleIn(left) };
}

/** Of what is left, only the members of circles: what merely depends on one is taken away. */
function circleIn(left: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  const members = new Map(left);
  for (let shrinks = true; shrinks;) {
    const needed = new Set([...members.values()].flatMap((of) => [...of]));
    const outer = [...members.keys()].filter((id) => !needed.has(id));
    for (const id of outer) members.delete(id);
    shrinks = outer.length > 0;
  }
  return [...members.keys()];
}
