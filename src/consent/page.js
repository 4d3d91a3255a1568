// After the program has ended, another program can listen on its port, and must not get what the user enters. The page
// therefore asks the server for a proof that only the original server has. It asks before it sends the form, and every
// 2 s.
const { challenge, proof } = document.currentScript.dataset;
let isSending = false;

const isServerOurs = async () => {
  try {
    const timeout = new Promise((resolve) => setTimeout(resolve, 5000));
    const asked = fetch(`?challenge=${challenge}`, { cache: "no-store" });
    const response = await Promise.race([asked, timeout]);
    return response.ok && (await response.text()) === proof;
  } catch {
    return false;
  }
};

const blank = () => {
  const main = document.querySelector("main");
  main.className = "notice";
  main.replaceChildren(document.querySelector("template").content.cloneNode(true));
};

const watch = async () => {
  // A single failure can have another cause: the computer may have been suspended.
  if (isSending || (await isServerOurs()) || (await isServerOurs())) setTimeout(watch, 2000);
  else if (!isSending) blank();
};

// A field named `submit` would hide the form's method of that name, so the method comes from the prototype.
document.addEventListener("submit", async (event) => {
  event.preventDefault();
  // A second click would send the form again, and hide the response to the first.
  if (isSending) return;
  isSending = true;
  isSending = await isServerOurs();
  if (isSending) HTMLFormElement.prototype.submit.call(event.target);
  else blank();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest(".show");
  if (!button) return;
  const isShown = button.getAttribute("aria-pressed") === "false";
  button.setAttribute("aria-pressed", isShown);
  const field = document.getElementById(button.getAttribute("aria-controls"));
  // The type of a textarea cannot be set, and its class hides the text.
  field.type = isShown ? "text" : "password";
  field.classList.toggle("hidden", !isShown);
});
watch();
