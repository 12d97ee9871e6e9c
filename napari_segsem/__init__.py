"""napari plugin over the headless `segsem` core; never imports torch."""
