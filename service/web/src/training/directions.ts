// Which way a class points: for the arrow that asks for it, and for the game that it steers.

/** A step to the right and down. */
export type Step = readonly [number, number];

const BY_NAME: Record<string, Step> = {
  left: [-1, 0],
  right: [1, 0],
  up: [0, -1],
  both: [0, -1],
  hands: [0, -1],
  down: [0, 1],
  feet: [0, 1],
};
const IN_TURN: readonly Step[] = [[-1, 0], [1, 0], [0, -1], [0, 1]];
const ARROWS: readonly (readonly [Step, string])[] = [
  [[-1, 0], "←"],
  [[1, 0], "→"],
  [[0, -1], "↑"],
  [[0, 1], "↓"],
];

const same = (a: Step, b: Step) => a[0] === b[0] && a[1] === b[1];

/** Give each class a direction: by its name, or the next one that is free; a fifth one has none. */
export function directionsOf(classes: readonly string[]): Map<string, Step> {
  const found = new Map<string, Step>();
  const free = () => IN_TURN.find((step) => ![...found.values()].some((taken) => same(taken, step)));
  const named = (label: string) => BY_NAME[label.toLowerCase()];
  for (const label of classes) {
    const step = named(label);
    if (step && ![...found.values()].some((taken) => same(taken, step))) found.set(label, step);
  }
  for (const label of classes) {
    const step = found.has(label) ? undefined : free();
    if (step) found.set(label, step);
  }
  return found;
}

export const arrowOf = (step: Step | undefined) => (step && ARROWS.find(([each]) => same(each, step))?.[1]) ?? "•";
