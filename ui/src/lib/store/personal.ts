/** The project of services that belong to no folder. */
export const PERSONAL = "personal";
