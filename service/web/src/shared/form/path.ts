// Where in a configuration something stands.
export type Path = readonly (string | number)[];

/** Write it as the service does: `stages[0].low_hz`. */
export const written = (path: Path): string =>
  path.map((key, i) => (typeof key === "number" ? `[${key}]` : i ? `.${key}` : key)).join("");

/** Whether something named as the service does is within a place, or that place itself. */
export const isWithin = (named: string, path: Path) => holds(written(path), named);

/** Whether what stands there may be what is wrong: it is within that place, or that place within it. */
export const touches = (named: string, path: Path) => isWithin(named, path) || holds(named, written(path));

const holds = (outer: string, inner: string) => outer === "" || inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
