// Small comforts for the checkout form. Everything works without them.

const form = document.querySelector("form");
const input = (name) => form.elements.namedItem(name);

function group(digits, sizes) {
  const parts = [];
  for (const size of sizes) {
    if (digits.length > 0) parts.push(digits.slice(0, size));
    digits = digits.slice(size);
  }
  return parts.join(" ");
}

function writeNumber(field) {
  const digits = field.value.replace(/\D/g, "").slice(0, 19);
  const amex = /^3[47]/.test(digits);
  field.value = group(digits, amex ? [4, 6, 5] : [4, 4, 4, 4, 3]);
}

function writeExpiry(field) {
  const digits = field.value.replace(/\D/g, "").slice(0, 4);
  field.value = digits.length > 2 ? `${digits.slice(0, 2)} / ${digits.slice(2)}` : digits;
}

// Regrouping only while typing at the end leaves corrections in the middle alone.
function whenTypingAtTheEnd(name, write) {
  input(name)?.addEventListener("input", (event) => {
    const field = event.target;
    if (field.selectionStart === field.value.length && !event.inputType?.startsWith("delete")) write(field);
  });
}

if (input("card_number")) writeNumber(input("card_number"));
whenTypingAtTheEnd("card_number", writeNumber);
whenTypingAtTheEnd("expiry", writeExpiry);

const fill = {
  card: (hint) => ({ card_number: hint.dataset.number, expiry: "12 / 34", cvc: "123" }),
  sepa_debit: (hint) => ({ iban: hint.dataset.number }),
  us_bank_account: (hint) => ({ account_number: hint.dataset.number, routing_number: hint.dataset.routing }),
};

for (const hint of document.querySelectorAll("[data-fill]")) {
  hint.addEventListener("click", (event) => {
    event.preventDefault();
    for (const [name, value] of Object.entries(fill[hint.dataset.fill](hint))) input(name).value = value;
    if (input("email").value === "") input("email").value = "jenny.rosen@example.com";
    form.querySelector("button.pay").focus();
  });
}

let sent = false;
form.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  sent = true;
  const button = form.querySelector("button.pay");
  button.setAttribute("aria-disabled", "true");
  button.firstElementChild.textContent = "Processing…";
});

// Coming back with the browser's back button must find a form that can be sent.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

document.querySelector("[autofocus]")?.focus();
