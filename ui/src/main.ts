import { isTauri } from "@tauri-apps/api/core";
import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import type { Backend } from "./lib/backend/backend";

async function chooseBackend(): Promise<Backend> {
  if (isTauri()) return (await import("./lib/backend/tauri")).tauriBackend;
  const { createMock } = await import("./lib/backend/mock");
  return createMock(new URLSearchParams(location.search));
}

const target = document.querySelector("#app");
if (target) mount(App, { target, props: { backend: await chooseBackend() } });
