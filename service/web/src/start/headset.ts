// The headset in hand: its stream, those beside it, and the simulated person who wears it, if one does.
import type { SimulationView, StreamView } from "../shared/wire";

export interface Headset {
  stream: StreamView;
  all: StreamView[];
  person: SimulationView | null;
}

/** A position of the 10-20 system and its finer ones. */
const POSITION = /^(N|Fp|AF|F|FT|FC|T|C|TP|CP|P|PO|O|I)(z|\d{1,2})$/i;

/** The electrodes whose labels say where they sit. */
export const placed = ({ stream }: Headset) => stream.labels.filter((label) => POSITION.test(label));

export const isOverBack = (label: string) => /^(P|PO|O|I)(z|\d{1,2})$/i.test(label);
export const isOverMotor = (label: string) => /^(C|FC|CP)(z|[1-6])$/i.test(label);
