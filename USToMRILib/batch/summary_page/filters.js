const buttons = document.querySelectorAll('button[data-show]');
buttons.forEach(button => button.addEventListener('click', () => {
  buttons.forEach(other => other.setAttribute('aria-pressed', other === button));
  const kind = button.dataset.show;
  document.querySelectorAll('article').forEach(card => {
    card.hidden = kind !== 'all' && !card.classList.contains(kind);
  });
}));
