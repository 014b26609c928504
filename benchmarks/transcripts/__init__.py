"""What commands of the documentation print, recorded, and quoted in its pages."""
