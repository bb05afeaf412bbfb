// Puts files into a repository of the Hub's with Hugging Face's own library; scripts/setup.sh makes one file of both.
//
// Comes in: Blobs, a repository, a token. Goes out: the model's address, or an object that says why not:
// {status, message} of an answer, {public: true} where a private repository was asked for and a public one is there.
// The token goes to the Hub's endpoint alone and is kept nowhere.
import { createRepo, HubApiError, modelInfo, uploadFilesWithProgress } from "@huggingface/hub";

/** `progress` hears of a file's path and how much of it has been sent, 0 to 1. */
export async function push({ paths, blobs, repository, isPrivate, endpoint, token, signal, progress }) {
  const repo = { type: "model", name: repository };
  const access = { hubUrl: endpoint, accessToken: token };
  try {
    await makeRepository(repo, isPrivate, access, (input, init) => fetch(input, { ...init, signal }));
    const upload = uploadFilesWithProgress({
      ...access,
      repo,
      files: paths.map((path, index) => ({ path, content: blobs[index] })),
      commitTitle: "Model from Cliptune",
      abortSignal: signal,
      // What the tests' server speaks, and every Hub and mirror understands.
      useXet: false,
    });
    for await (const event of upload) {
      if (event.event === "fileProgress" && event.state === "uploading") progress(event.path, event.progress);
    }
  } catch (error) {
    if (error instanceof HubApiError) throw { status: error.statusCode, message: error.data?.error ?? "" };
    throw error;
  }
  return `${endpoint}/${repository}`;
}

async function makeRepository(repo, isPrivate, access, abortableFetch) {
  try {
    await createRepo({ ...access, repo, visibility: isPrivate ? "private" : "public", fetch: abortableFetch });
  } catch (error) {
    // 409: it is there already, and stays as visible as it is.
    if (!(error instanceof HubApiError) || error.statusCode !== 409) throw error;
    if (isPrivate && !(await modelInfo({ ...access, name: repo.name, fetch: abortableFetch })).private) throw { public: true };
  }
}
