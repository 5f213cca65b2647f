// While a job runs, the table of jobs is brought up to date. Without this the page is reloaded by hand.
"use strict";
(() => {
  const box = document.getElementById("jobs");
  if (box.dataset.running !== "true") return;
  const look = async () => {
    const answer = await fetch(box.dataset.from, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const jobs = await answer.json();
    for (const job of jobs) {
      const row = [...box.querySelectorAll("[data-job]")].find((r) => r.dataset.job === job.name);
      if (!row) continue;
      row.querySelector(".job-state").textContent = job.text;
      row.querySelector(".job-done").textContent = job.done;
    }
    if (jobs.some((j) => j.running)) setTimeout(look, 1000);
    else location.reload();
  };
  setTimeout(look, 500);
})();
