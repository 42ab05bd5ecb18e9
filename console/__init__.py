"""How people operate Switchboard."""
