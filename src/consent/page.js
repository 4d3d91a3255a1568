// After the program has ended, another program can listen on its port, and must not get what the user enters. The page
// therefore asks the server for a proof that only the original server has. It asks before it sends the form, and every
// 2 s.
let { challenge, proof } = document.currentScript.dataset;
let isSending = false;

const askServer = async () => {
  try {
    // Half-open connections of other programs can delay a response by seconds.
    const signal = AbortSignal.timeout(30000);
    const response = await fetch(`?challenge=${challenge}`, { cache: "no-store", signal });
    return response.ok && (await response.text()) === proof ? "ours" : "another";
  } catch (error) {
    return error.name === "TimeoutError" ? "slow" : "gone";
  }
};

const isServerLost = async () => ["another", "gone"].includes(await askServer());

const copyOf = (id) => document.getElementById(id).content.cloneNode(true);

const blank = () => {
  challenge = undefined;
  const main = document.querySelector("main");
  main.className = "notice";
  main.replaceChildren(copyOf("ended"));
};

const watch = async () => {
  // A single failure can have another cause: the computer may have been suspended.
  if (!isSending && (await isServerLost()) && (await isServerLost()) && !isSending && challenge) blank();
  if (challenge) setTimeout(watch, 2000);
};

// The server never sends secrets back. The page keeps them, unless they would be refused again.
const keepSecrets = (from, to) => {
  if (!to?.hasAttribute("data-keeps-secrets")) return;
  for (const { id, value } of from.querySelectorAll(".secret [name]")) to.querySelector(`#${id}`).value = value;
};

const show = (html, form) => {
  // The style in a template is inert. In another document, the browser would complain about its nonce.
  const template = document.createElement("template");
  template.innerHTML = html;
  const part = (name) => template.content.querySelector(name);
  const main = part("main");
  main.tabIndex = -1;
  ({ challenge, proof } = part("script")?.dataset ?? {});
  keepSecrets(form, main.querySelector("form"));
  document.title = part("title").textContent;
  document.querySelector("main").replaceWith(main);
  (main.querySelector("[autofocus]") ?? main).focus();
};

const showUnsent = (form) => {
  document.querySelector(".summary")?.remove();
  form.before(copyOf("unsent"));
  document.querySelector(".summary").focus();
};

// The script sends the form itself, because the page would be lost if the browser sent it and got no response.
const send = async (form) => {
  const server = await askServer();
  if (server === "another") return blank();
  if (server !== "ours") return showUnsent(form);
  try {
    const body = new URLSearchParams(new FormData(form));
    show(await (await fetch("", { method: "POST", body })).text(), form);
  } catch {
    showUnsent(form);
  }
};

const setBusy = (form, isBusy) => {
  form.querySelector("[type=submit]").ariaDisabled = isBusy;
  form.querySelector("[role=status]").textContent = isBusy ? "Sending to the gateway\u2026" : "";
};

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  // A second click would send the form again, and hide the response to the first.
  if (isSending) return;
  isSending = true;
  setBusy(event.target, true);
  await send(event.target);
  setBusy(event.target, false);
  isSending = false;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest(".show");
  if (!button) return;
  const isShown = button.textContent === "Hide";
  button.textContent = isShown ? "Show" : "Hide";
  const field = document.getElementById(button.getAttribute("aria-controls"));
  // The type of a textarea cannot be set, and its class hides the text.
  field.type = isShown ? "password" : "text";
  field.classList.toggle("hidden", isShown);
});
watch();
