import { describe, expect, it } from "vitest";
import { absent, docker, native, podman, refusing, remote, rootful } from "../backend/mock-engines";
import { engineSummary, engineTone, engineVersion } from "./engines";
import { muteText } from "./mute";

describe("engines in a few words", () => {
  it.each([
    [[], "No engine", "", "offline"],
    [[docker], "Docker 28.2.2", "", "online"],
    [[refusing(docker)], "Docker", "offline", "offline"],
    [[docker, podman], "Docker, Podman", "", "online"],
    [[docker, refusing(podman)], "Docker, Podman", "1 offline", "partly"],
    [[refusing(docker), refusing(podman)], "Docker, Podman", "all offline", "offline"],
    [[refusing(docker), remote], "Docker, docker-staging", "1 offline, 1 connecting", "connecting"],
    [[absent, native], "Native", "", "online"],
    [[absent], "No engine", "", "offline"],
    [[docker, podman, rootful, remote], "4 engines", "1 connecting", "online"],
  ])("%#", (engines, names, state, tone) => {
    expect(engineSummary(engines)).toEqual({ names, state });
    expect(engineTone(engines)).toBe(tone);
  });

  it("name the family where the engine is called otherwise", () => {
    expect(engineVersion(docker)).toBe("28.2.2");
    expect(engineVersion(rootful)).toBe("Podman 5.4.0");
    expect(engineVersion(remote)).toBe("Docker");
    expect(engineVersion(native)).toBe("");
  });
});

describe("a mute in words", () => {
  const now = Date.parse("2026-01-15T10:00:00Z");

  it("says until when, and nothing once that is over", () => {
    expect(muteText(null, now)).toBeNull();
    expect(muteText("for_good", now)).toBe("Muted for good");
    expect(muteText({ until: "2026-01-15T10:05:00Z" }, now)).toMatch(/^Muted until \d+:05/);
    expect(muteText({ until: "2026-03-15T10:05:00Z" }, now)).toMatch(/2026/);
    expect(muteText({ until: "2026-01-15T10:00:00Z" }, now)).toBeNull();
    expect(muteText({ until: "soon" }, now)).toBeNull();
  });
});
