"""Every Delta table of core and ops; those of features and models stand beside their subject."""
