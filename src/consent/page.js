// After this program has ended, another one can listen on its port, and the form must not be sent there. So the page
// asks for a proof that only its own server has: before sending, and every 2 s to notice the end.
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
  // One failure can have another cause, such as a suspended computer.
  if (isSending || (await isServerOurs()) || (await isServerOurs())) setTimeout(watch, 2000);
  else if (!isSending) blank();
};

// A field with the name of a property of its form hides that property, so nothing is read from the form.
document.addEventListener("submit", async (event) => {
  event.preventDefault();
  isSending = await isServerOurs();
  if (isSending) HTMLFormElement.prototype.submit.call(event.target);
  else blank();
});
watch();
