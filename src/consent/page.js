// The form must not be sent to a server that took this port after the program has ended. So the page asks for a proof
// that only the server which made the page can give: before sending, and every 2 s to notice the end.
const { challenge, proof } = document.currentScript.dataset;
let isSending = false;

const isServerOurs = async () => {
  try {
    const options = { cache: "no-store", signal: AbortSignal.timeout(5000) };
    const response = await fetch(`?challenge=${challenge}`, options);
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
  // A single failure can be a computer that was suspended.
  if (isSending || (await isServerOurs()) || (await isServerOurs())) setTimeout(watch, 2000);
  else if (!isSending) blank();
};

// A field can be named like a property of the form, and then hides it.
document.addEventListener("submit", async (event) => {
  event.preventDefault();
  isSending = await isServerOurs();
  if (isSending) HTMLFormElement.prototype.submit.call(event.target);
  else blank();
});
watch();
