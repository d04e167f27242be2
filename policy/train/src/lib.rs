//! The policy lab: collect, train, quantise and evaluate policies (binary trimtab-lab).
