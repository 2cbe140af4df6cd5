export async function answerTeaching() {}
