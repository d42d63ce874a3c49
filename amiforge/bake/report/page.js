for (const box of document.querySelectorAll("[data-filter]")) {
  const entries = document.getElementById(box.dataset.filter).children;
  box.parentElement.hidden = false;
  box.addEventListener("input", () => {
    const wanted = box.value.trim().toLowerCase();
    for (const entry of entries) entry.hidden = !entry.textContent.toLowerCase().includes(wanted);
  });
}
const folds = document.querySelectorAll("details");
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...folds].filter((fold) => !fold.open && !fold.hasAttribute("data-long"));
  for (const fold of opened) fold.open = true;
});
addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
});
