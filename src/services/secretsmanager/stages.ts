/** Staging labels: each is on one version at most, and where AWSCURRENT was, AWSPREVIOUS goes. */

export const current = "AWSCURRENT";
export const previous = "AWSPREVIOUS";
export const pending = "AWSPENDING";

export interface Staged {
  id: string;
  stages: readonly string[];
}

export const holderOf = (versions: readonly Staged[], stage: string): Staged | undefined =>
  versions.find(({ stages }) => stages.includes(stage));

/** The versions after `stage` went to the version `to`, or to none. */
export function moved(versions: readonly Staged[], stage: string, to: string | undefined): Staged[] {
  const from = holderOf(versions, stage)?.id;
  if (from === to) return [...versions];
  const placed = versions.map(({ id, stages }) => ({
    id,
    stages: id === to ? [...stages, stage] : stages.filter((one) => one !== stage),
  }));
  if (stage !== current || from === undefined || to === undefined) return placed;
  return moved(placed, previous, from);
}
