/** What to do next with a stack: pure rules over the states of its resources. No clock, no store. */

export type ResourceStatus =
  | "CREATE_IN_PROGRESS"
  | "CREATE_COMPLETE"
  | "CREATE_FAILED"
  | "UPDATE_IN_PROGRESS"
  | "UPDATE_COMPLETE"
  | "UPDATE_FAILED"
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
  | "DELETE_FAILED"
  | "REVIEW_IN_PROGRESS"
  | "UPDATE_IN_PROGRESS"
  | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
  | "UPDATE_COMPLETE"
  | "UPDATE_FAILED"
  | "UPDATE_ROLLBACK_IN_PROGRESS"
  | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"
  | "UPDATE_ROLLBACK_COMPLETE"
  | "UPDATE_ROLLBACK_FAILED";

/**
 * `create` makes what is missing; `update` makes everything as the new template has it, `restore` as the former one
 * had it; `cleanup` takes away what an update or its rollback left over; `remove` takes away all there is.
 */
export type Phase = "create" | "update" | "restore" | "cleanup" | "remove";

export interface PlannedResource {
  /** Its logical id; of what was replaced, its token. */
  key: string;
  logicalId: string;
  /** Null before work on it began. */
  status: ResourceStatus | null;
  /** Logical ids that must exist before it does. */
  needs: readonly string[];
  /** Of the phases forward: what needs it may begin. */
  done: boolean;
  /** Of the phases forward: it is to be begun when what it needs is done. */
  todo: boolean;
  /** Of the phases forward: it has failed, and nothing more is begun. */
  failed: boolean;
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
  resume: readonly string[];
  resumeDelete: readonly string[];
  /** Forward, with what the phase does. */
  begin: readonly string[];
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
  const resume = keysOf(idle, ({ status }) => status === "CREATE_IN_PROGRESS" || status === "UPDATE_IN_PROGRESS");
  const resumeDelete = keysOf(idle, ({ status }) => status === "DELETE_IN_PROGRESS");
  const busy = resources.length - idle.length + resume.length + resumeDelete.length;
  const free = Math.max(0, slots - busy);
  const work = plan.phase === "remove" || plan.phase === "cleanup" ? removals(plan, free) : forward(plan, free);
  const begun = work.begin.length + work.delete.length + work.forget.length + work.skip.length;
  return { resume, resumeDelete, ...work, finished: busy === 0 && begun === 0 };
}

function keysOf(
  resources: readonly PlannedResource[],
  which: (resource: PlannedResource) => boolean,
): readonly string[] {
  return resources.filter(which).map(({ key }) => key);
}

type Work = Pick<Next, "begin" | "delete" | "forget" | "skip">;
const noWork: Work = { begin: [], delete: [], forget: [], skip: [] };

function forward({ resources, failing }: Plan, free: number): Work {
  // After the first failure nothing new begins; what runs is waited for, so that its outcome is known.
  if (failing || resources.some(({ failed }) => failed)) return noWork;
  const done = new Set(resources.filter((resource) => resource.done).map(({ logicalId }) => logicalId));
  const ready = keysOf(resources, ({ todo, running, needs }) => todo && !running && needs.every((id) => done.has(id)));
  return { ...noWork, begin: ready.slice(0, free) };
}

function removals({ resources }: Plan, free: number): Work {
  const present = resources.filter((resource) => isPresent(resource));
  // What was replaced and what replaced it have one logical id, and do not wait for each other.
  const needed = new Set(present.flatMap(({ needs, logicalId }) => needs.filter((need) => need !== logicalId)));
  const ready = present.filter((resource) => isRemovable(resource) && !needed.has(resource.logicalId));
  return {
    begin: [],
    skip: keysOf(ready, ({ made, retained }) => made && retained),
    forget: keysOf(ready, ({ made }) => !made),
    delete: keysOf(ready, ({ made, retained }) => made && !retained).slice(0, free),
  };
}

function isPresent({ status }: PlannedResource): boolean {
  return status !== null && status !== "DELETE_COMPLETE" && status !== "DELETE_SKIPPED";
}

const restingStatuses = new Set<ResourceStatus | null>([
  "CREATE_COMPLETE",
  "CREATE_FAILED",
  "UPDATE_COMPLETE",
  "UPDATE_FAILED",
]);

function isRemovable({ status, current, running }: PlannedResource): boolean {
  if (running) return false;
  return restingStatuses.has(status) || (status === "DELETE_FAILED" && !current);
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
