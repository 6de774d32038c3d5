// What is written, said aloud by the browser's own voices; phrases that are said by one press; and a
// call, which sounds until somebody comes. Voice and phrases stay in this browser.
import { useEffect, useRef, useState } from "preact/hooks";
import { call, sentence } from "../shared/api";
import { tell } from "../shared/notices";
import { kept, keep } from "../shared/kept";

const VOICE = "volition-voice";
const PHRASES = "volition-phrases";
const MOST_PHRASES = 20;
const USUAL = ["Yes", "No", "Please wait", "I am in pain", "Thank you"];
const TONE_HZ = 880;
const BEEP_S = 0.3;
const EVERY_MS = 700;

const isPhrases = (value: unknown): value is string[] => Array.isArray(value) && value.every((each) => typeof each === "string");
const isName = (value: unknown): value is string => typeof value === "string";

export function Voice({ text, session }: { text: string; session: string | null }) {
  const voices = useVoices();
  const [name, setName] = useState(() => kept(VOICE, isName) ?? "");
  const [phrases, setPhrases] = useState(() => kept(PHRASES, isPhrases) ?? USUAL);
  const [calls, setCalls] = useCall(session);
  const speech = window.speechSynthesis as SpeechSynthesis | undefined;

  const say = (words: string) => {
    if (speech === undefined || !words.trim()) return;
    const said = new SpeechSynthesisUtterance(words.toLowerCase());
    said.voice = voices.find((each) => each.name === name) ?? null;
    speech.cancel();
    speech.speak(said);
  };
  const change = (phrases: string[]) => {
    setPhrases(phrases);
    keep(PHRASES, phrases);
  };
  return (
    <div class="row voice" role="group" aria-label="Voice">
      {speech !== undefined && (
        <button onClick={() => say(text)} disabled={!text.trim()}>
          Speak
        </button>
      )}
      {voices.length > 1 && (
        <select
          aria-label="Voice"
          value={name}
          onChange={(event) => {
            setName(event.currentTarget.value);
            keep(VOICE, event.currentTarget.value);
          }}
        >
          <option value="">The browser's voice</option>
          {voices.map((each) => (
            <option key={each.name} value={each.name}>
              {each.name}, {each.lang}
            </option>
          ))}
        </select>
      )}
      <button aria-pressed={calls} onClick={() => setCalls(!calls)}>
        {calls ? "Stop calling" : "Call somebody"}
      </button>
      <details class="grow">
        <summary>Phrases</summary>
        <div class="row">
          {phrases.map((phrase) => (
            <span key={phrase} class="row">
              <button class="small" onClick={() => say(phrase)}>
                {phrase}
              </button>
              <button class="small" aria-label={`Remove ${phrase}`} onClick={() => change(phrases.filter((each) => each !== phrase))}>
                ×
              </button>
            </span>
          ))}
          <button class="small" disabled={!text.trim() || phrases.includes(text.trim()) || phrases.length >= MOST_PHRASES} onClick={() => change([...phrases, text.trim()])}>
            Keep what is written
          </button>
        </div>
      </details>
    </div>
  );
}

function useVoices(): SpeechSynthesisVoice[] {
  const [voices, setVoices] = useState<SpeechSynthesisVoice[]>([]);
  useEffect(() => {
    const speech = window.speechSynthesis as SpeechSynthesis | undefined;
    const look = () => setVoices(speech?.getVoices() ?? []);
    look();
    speech?.addEventListener("voiceschanged", look); // browsers find them later
    return () => speech?.removeEventListener("voiceschanged", look);
  }, []);
  return voices;
}

/** Sound again and again while somebody is called; the session is told by a marker. */
function useCall(session: string | null) {
  const [calls, setCalls] = useState(false);
  const audio = useRef<AudioContext | null>(null);
  useEffect(() => {
    if (!calls) return;
    const context = (audio.current ??= new AudioContext());
    const beep = () => {
      const tone = new OscillatorNode(context, { frequency: TONE_HZ });
      tone.connect(context.destination);
      tone.start();
      tone.stop(context.currentTime + BEEP_S);
    };
    beep();
    const timer = window.setInterval(beep, EVERY_MS);
    if (session !== null)
      call("post", "/v1/sessions/{id}/markers", { path: { id: session }, body: { name: "call" } }).catch((error: unknown) => tell("warn", sentence(error)));
    return () => clearInterval(timer);
  }, [calls]);
  return [calls, setCalls] as const;
}
