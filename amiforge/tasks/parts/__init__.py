"""What tasks are made of, and no task itself: resources, shell text and facts of vendors that several of them share."""
