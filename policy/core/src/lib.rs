//! Units, actions, observation layouts, quotes, budgets and the shield: the decision, without clock or I/O.
