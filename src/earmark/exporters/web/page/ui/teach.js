export function setUpTeaching() {}
