// The page of a draw: fetches or takes the files of the proof, and has them checked beside the page.
"use strict";
(() => {
  const box = document.getElementById("checker"), bar = document.getElementById("check-progress"), out = document.getElementById("check-result");
  const names = ["plan.json", "manifest.json", "witnesses.json", "seed.json", "roll.tsv", "removals.tsv", "result.tsv", "moves.tsv", "announcement.json"];
  const most = 200000;
  const show = (good, title, lines) => {
    bar.hidden = true;
    out.replaceChildren();
    const p = document.createElement("div"), list = document.createElement("ul");
    p.className = "result " + (good ? "good" : "wrong");
    p.textContent = title;
    for (const line of lines) {
      const item = document.createElement("li"), code = document.createElement("code");
      code.textContent = line;
      item.append(code);
      list.append(item);
    }
    out.append(p, list);
    out.dataset.state = good ? "good" : "wrong";
  };
  const busy = () => {
    out.dataset.state = "busy";
    out.textContent = box.dataset.running;
    bar.hidden = false;
    bar.value = 0;
  };
  const fetched = async (wanted) => {
    const files = {};
    await Promise.all(wanted.map(async (name) => {
      const answer = await fetch(box.dataset.base + name);
      if (!answer.ok) throw new Error(name);
      files[name] = new Uint8Array(await answer.arrayBuffer());
    }));
    return files;
  };
  const check = (what, files) => {
    const worker = new Worker(box.dataset.worker), person = what === "person";
    worker.onmessage = ({ data }) => {
      if ("progress" in data) { bar.value = data.progress; return; }
      worker.terminate();
      if (data.ok) show(true, person ? box.dataset.personOk : box.dataset.ok, ["manifest " + data.ok.manifest, ...data.ok.notes]);
      else show(false, (person ? box.dataset.personBad : box.dataset.bad) + " " + data.bad, []);
    };
    worker.onerror = (e) => { worker.terminate(); show(false, box.dataset.bad + " " + e.message, []); };
    worker.postMessage({ what, files });
  };
  const begin = async (what, gather) => {
    busy();
    try {
      check(what, await gather());
    } catch (e) {
      show(false, box.dataset.bad + " " + e.message, []);
    }
  };
  const chosen = async (file) => new Uint8Array(await file.arrayBuffer());

  document.getElementById("check-whole").addEventListener("click", () => {
    if (Number(box.dataset.count) > most) return show(false, box.dataset.large, []);
    begin("whole", () => fetched(names));
  });
  document.getElementById("person-file").addEventListener("change", (e) => {
    const [file] = e.target.files;
    if (!file) return;
    begin("person", async () => {
      const wanted = ["manifest.json", "announcement.json", "seed.json", "plan.json"];
      if (Number(box.dataset.count) <= most) wanted.push("roll.tsv", "result.tsv");
      return { ...(await fetched(wanted)), "person.json": await chosen(file) };
    });
  });
  document.getElementById("proof-files").addEventListener("change", (e) => {
    const files = [...e.target.files];
    if (!files.length) return;
    begin("whole", async () => Object.fromEntries(await Promise.all(files.filter((f) => names.includes(f.name)).map(async (f) => [f.name, await chosen(f)]))));
  });
})();
