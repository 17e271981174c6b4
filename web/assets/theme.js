// Before anything is drawn, so that a page that is dark by choice does not flash.
try {
  const theme = localStorage.getItem('theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch { /* Without storage the system's choice is taken. */ }
