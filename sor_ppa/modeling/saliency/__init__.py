"""Parts of dense saliency networks: axis attention, context modules, context attention."""
