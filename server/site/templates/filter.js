// Shows the rows that hold every word that was typed.
const field = document.getElementById("filter");
const rows = [...document.querySelectorAll("table.filtered tbody tr")].map((row) => [row, row.textContent.toLowerCase()]);
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const [row, text] of rows) row.hidden = !words.every((word) => text.includes(word));
});
