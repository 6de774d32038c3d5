// The speller's page.
import { render } from "preact";
import { Speller } from "./Speller";
import "../shared/style.css";
import "./speller.css";

render(<Speller />, document.getElementById("app")!);
