"""Which documents are worth training on: rules, a classifier, and no page that the model is judged on."""
