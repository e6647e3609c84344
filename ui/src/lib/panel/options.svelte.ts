/** How the person likes to read logs; the same for every service while the window is open. */
export const options = $state({ timestamps: false, wrap: true, height: 260 });
