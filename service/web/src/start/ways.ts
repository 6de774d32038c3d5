// What can be done with a headset, the session that each way needs, and why one cannot be gone.
import { parse } from "yaml";
import { call } from "../shared/api";
import { sessionWith, type Screen } from "../speller/participant";
import type { PersonKind, SessionBody } from "../shared/useSimulatedPerson";
import type { SimulationView } from "../shared/wire";
import { isOverBack, isOverMotor, placed, type Headset } from "./headset";

export interface Way {
  name: string;
  title: string;
  about: string;
  /** The page on which it is gone. */
  page: "speller" | "cursor" | "training";
  /** The simulated person who can go it. */
  person: PersonKind;
  /** What it takes before it can be used. */
  before: string;
  /** Least frames a second of the display; 0 where it does not matter. */
  leastFrames: number;
  /** Where an electrode must sit, and where that is in words. */
  seat?: [(label: string) => boolean, string];
  leastChannels: number;
  session(headset: Headset): Promise<SessionBody>;
}

const LEAST_RATE_HZ = 100;
const OVER_BACK: Way["seat"] = [isOverBack, "over the back of the head (O1, Oz, O2 and around)"];
const OVER_MOTOR: Way["seat"] = [isOverMotor, "over the top of the head (C3, Cz, C4 and around)"];
const LETTERS = 12;

const screen = (name: Screen) => async (headset: Headset) => onStream((await sessionWith(name, LETTERS))({ source_id: headset.stream.source_id } as SimulationView), headset);

export const WAYS: Way[] = [
  {
    name: "flicker",
    title: "Write by looking at what flickers",
    about: "Each letter flickers at its own frequency. Looking at one chooses it.",
    page: "speller",
    person: "speller",
    before: "It works at once, without a calibration.",
    leastFrames: 50,
    seat: OVER_BACK,
    leastChannels: 1,
    session: screen("flicker"),
  },
  {
    name: "flash",
    title: "Write by counting flashes",
    about: "Rows and columns of letters flash. Counting the flashes of one chooses it. It strains the eyes less.",
    page: "speller",
    person: "flashes",
    before: "It learns while it is used; a calibration of five minutes makes it quicker.",
    leastFrames: 30,
    leastChannels: 1,
    session: screen("rowcol"),
  },
  {
    name: "code",
    title: "Write by codes",
    about: "Each letter flashes by a code of its own, quick and irregular. Looking at one chooses it.",
    page: "speller",
    person: "flashes",
    before: "It learns while it is used; a calibration of five minutes makes it quicker.",
    leastFrames: 55,
    seat: OVER_BACK,
    leastChannels: 1,
    session: screen("noisetag"),
  },
  {
    name: "cursor",
    title: "Steer a cursor",
    about: "A cursor moves as the person imagines or tries to move.",
    page: "cursor",
    person: "cursor",
    before: "The cursor stands still until it is calibrated, which takes about five minutes.",
    leastFrames: 0,
    seat: OVER_MOTOR,
    leastChannels: 4,
    session: cursor,
  },
  {
    name: "movements",
    title: "Imagine movements, and play",
    about: "Imagining the left or the right hand gives a command. A game is played with it.",
    page: "training",
    person: "imagery",
    before: "It needs a calibration of about ten minutes.",
    leastFrames: 0,
    seat: OVER_MOTOR,
    leastChannels: 2,
    session: movements,
  },
];

/** Say why a way cannot be gone with a headset and a display; nothing where it can. */
export function whyNot(way: Way, headset: Headset, framesHz: number | null): string {
  const { stream, person } = headset;
  if (person !== null) return person.kind === way.person ? "" : "this simulated person does something else";
  if (stream.rate_hz < LEAST_RATE_HZ) return `the headset sends ${stream.rate_hz} samples a second, and ${LEAST_RATE_HZ} are needed`;
  if (stream.n_channels < way.leastChannels) return `the headset has ${stream.n_channels} channels, and ${way.leastChannels} are needed`;
  const known = placed(headset);
  if (way.seat && known.length > 0 && !known.some(way.seat[0])) return `no electrode sits ${way.seat[1]}`;
  if (framesHz !== null && framesHz < way.leastFrames) return `this display shows ${framesHz.toFixed(0)} frames a second, and ${way.leastFrames} are needed`;
  return "";
}

/** Have a configuration listen to a headset, by what names its stream, and to the channels that it has. */
function onStream(config: SessionBody, { stream }: Headset): SessionBody {
  const given = { ...(config.stream as Record<string, unknown>) };
  for (const key of ["name", "source_id", "uid", "host"]) delete given[key];
  const channels = given["channels"];
  if (Array.isArray(channels) && !channels.every((label) => stream.labels.includes(String(label)))) delete given["channels"];
  const named = stream.source_id ? { source_id: stream.source_id } : { name: stream.name };
  return { ...config, stream: { ...given, ...named, type: stream.type } } as unknown as SessionBody;
}

async function preset(name: string): Promise<SessionBody> {
  const { presets } = await call("get", "/v1/presets");
  const found = presets.find((each) => each.name === name);
  if (!found) throw new Error(`the service has no preset ${name}`);
  const config = parse(found.text, { version: "1.1" }) as Record<string, unknown>;
  delete config["markers"]; // they come from the page
  return config as unknown as SessionBody;
}

async function cursor(headset: Headset): Promise<SessionBody> {
  if (headset.person === null) return onStream(await preset("cursor-band-power"), headset);
  const brought = { stream: {}, decoder: headset.person.decoder } as unknown as SessionBody;
  return onStream(brought, headset);
}

async function movements(headset: Headset): Promise<SessionBody> {
  const classes = headset.person === null ? ["left", "right"] : headset.person.classes.slice(0, 2);
  const decoder = {
    kind: "tangent",
    classes,
    trigger: "sliding",
    delay_s: 0.4,
    window_s: 1,
    step_s: 0.1,
    evidence: { share: 0.3, threshold: 0.25, hold_s: 0.2, refractory_s: 0.6 },
  };
  return onStream({ stream: {}, decoder } as unknown as SessionBody, headset);
}
