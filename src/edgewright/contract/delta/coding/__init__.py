"""How numbers become bytes and come back: element types, predictions, blocks of residuals, symbols."""
