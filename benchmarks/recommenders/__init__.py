"""KG-aware recommenders: every model by every protocol, the papers' studies, what each is worth as a teacher."""
